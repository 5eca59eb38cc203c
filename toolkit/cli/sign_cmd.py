"""`lading sign FILE…`: sign bundles, or make the pair of keys that it takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.errors import UsageError
from toolkit.settings import load_settings

GENERATE = "lading sign --generate NAME makes one"


@click.command("sign", cls=Command, short_help="Sign bundles, or make the keys for it.")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option(
    "--key",
    metavar="FILE",
    help="Sign with this secret key, of lading or minisign.  [default: `sign_key` in [lading]]",
)
@click.option(
    "--generate", "name", metavar="NAME", help="Make a pair of keys: NAME.key, which is secret, and NAME.pub."
)
@click.option(
    "--passphrase-file",
    "passphrase",
    metavar="FILE",
    help="Its first line is the passphrase, - is standard input.  [default: LADING_PASSPHRASE, else it is "
    "asked for]",
)
@click.option(
    "--no-passphrase", "unlocked", is_flag=True, help="With --generate: lock the secret key with none."
)
@click.pass_obj
def command(
    output: Output,
    files: tuple[str, ...],
    *,
    key: str | None,
    name: str | None,
    passphrase: str | None,
    unlocked: bool,
) -> None:
    """Sign bundles, each by the checksum list FILE.sha256 beside it, which is written where there is none.

    FILE may also be such a list. The signature is FILE.sha256.minisig: minisign checks it too, and sha256sum
    the list. A locked key takes 1 GiB of memory to open, as with minisign.
    """
    if name is not None:
        if files or key is not None:
            raise UsageError("--generate", "makes keys, and signs nothing", "leave out FILE and --key")
        _generate(output, name, passphrase, unlocked=unlocked)
        return
    if unlocked:
        raise UsageError("--no-passphrase", "goes with --generate: a key says by itself whether it is locked")
    if not files:
        raise UsageError("lading sign", "names no file", "write FILE, or --generate NAME for a pair of keys")
    _sign(output, files, key or load_settings().sign_key, passphrase)


def _generate(output: Output, name: str, passphrase: str | None, *, unlocked: bool) -> None:
    from toolkit.cli.passphrases import chosen
    from toolkit.operations.keys import make_pair, must_be_new

    if unlocked and passphrase is not None:
        raise UsageError("--no-passphrase", "and --passphrase-file contradict each other")
    must_be_new(name)  # before anybody types
    lock = None if unlocked else chosen(passphrase, f"{name}.key")
    secret, public, key = make_pair(name, lock)
    if output.json:
        facts = {"secret_key": str(secret), "public_key_file": str(public)}
        output.document({**facts, "key_id": key.key_id, "public_key": str(key)})
        return
    state = "which no passphrase locks" if unlocked else "locked by the passphrase"
    output.say(f"wrote {secret}, the secret key, {state}", f"wrote {public}, the public key {key}")


def _sign(output: Output, files: Sequence[str], secret: str, passphrase: str | None) -> None:
    from toolkit.cli.passphrases import asking
    from toolkit.operations.companion import SIGNATURE, beside
    from toolkit.operations.keys import open_key
    from toolkit.operations.signing import list_of, sign, signer_of

    if not secret:
        raise UsageError("lading sign", "has no secret key", f"say --key FILE, or sign_key; {GENERATE}")
    key = open_key(secret, asking(passphrase))
    signed = []
    for file in files:
        before = signer_of(list_of(Path(file)))
        sums, made = sign(Path(file), key, int(time.time()))
        signature = str(beside(sums, SIGNATURE))
        facts = {"list": str(sums), "signature": signature, "trusted_comment": made.trusted_comment}
        is_others = before not in {"", key.public.key_id}
        signed.append({**facts, "replaced": before} if is_others else facts)
        if not output.json:
            replaced = f", in place of that by key {before}" if is_others else ""
            output.say(f"signed {sums} by key {key.public.key_id}: {signature}{replaced}")
    if output.json:
        output.document({"key_id": key.public.key_id, "public_key": str(key.public), "signed": signed})
