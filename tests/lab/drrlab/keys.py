"""Host keys.  RSA keys take a quarter of a second each, so a few are kept in a cache of the user's own."""

import os
import tempfile


def cache_directory():
    path = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(tempfile.gettempdir(), f"drrlab-keys.{os.getuid()}"), "drrlab")
    os.makedirs(path, mode=0o700, exist_ok=True)
    if os.stat(path).st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")
    return path


def rsa_key(asyncssh, index):
    """The index-th RSA key of the cache, made when it is not there yet."""
    path = os.path.join(cache_directory(), f"rsa-{index}")
    try:
        return asyncssh.read_private_key(path)
    except (OSError, asyncssh.KeyImportError):
        key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
        temporary = f"{path}.{os.getpid()}"
        key.write_private_key(temporary)
        os.chmod(temporary, 0o600)
        os.rename(temporary, path)
        return key


def ecdsa_key(asyncssh):
    return asyncssh.generate_private_key("ecdsa-sha2-nistp256")
