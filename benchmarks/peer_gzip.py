"""The peer of verifying gzip layers: one process that decompresses each and hashes it twice.

    python benchmarks/peer_gzip.py BUNDLE

It believes the tar and looks at nothing else: what is left is the work that nobody can do without.
"""

from __future__ import annotations

import hashlib
import sys
import tarfile
import zlib

BLOCK = 1 << 20


def main() -> None:
    with tarfile.open(sys.argv[1]) as bundle:
        for member in bundle:
            body = bundle.extractfile(member)
            if body is None or not body.read(3).startswith(b"\x1f\x8b\x08"):
                continue
            body.seek(0)
            packed, unpacked = hashlib.sha256(), hashlib.sha256()
            decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
            while block := body.read(BLOCK):
                packed.update(block)
                while block:
                    unpacked.update(decoder.decompress(block))
                    block = decoder.unused_data
                    if decoder.eof and block:
                        decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
            print(packed.hexdigest(), unpacked.hexdigest())


if __name__ == "__main__":
    main()
