"""The only code that loops over read(): streams, files, trees, tars."""
