"""Records: what is written down of sets, images, receipts and runs, and the files it lies in."""
