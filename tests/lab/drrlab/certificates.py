"""Keys and certificates of the members' HTTPS doors: self-issued as an appliance makes its own, or from the lab's own CA."""

import base64
import datetime
import hashlib
import ipaddress
import os
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

DAY = datetime.timedelta(days=1)
SELF_NAME = "DataPower Gateway"


def new_key(kind):
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


def pin_of(key):
    """sha256//BASE64 of the public key, as curl's --pinnedpubkey and the agent's `pin` take it."""
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(public).digest()).decode()


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(subject, issuer, key, expired):
    now = datetime.datetime.utcnow()
    first, last = (now - 400 * DAY, now - 30 * DAY) if expired else (now - DAY, now + 3650 * DAY)
    return (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(first).not_valid_after(last))


def _write(path, mode, *parts):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(b"".join(parts))


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    """The lab's CA.  Made on first use; its certificate is DIR/ca.pem."""

    NAME = "drrlab CA"

    def __init__(self, directory):
        self.path = os.path.join(directory, "ca.pem")
        self._key = None

    def begin(self):
        if self._key is None:
            self._key = new_key("ecdsa")
            builder = _builder(self.NAME, self.NAME, self._key, False)
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            builder = builder.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            _write(self.path, 0o644, _pem(builder.sign(self._key, hashes.SHA256())))
        return self._key

    def issue(self, path, kind, form, address, host_name):
        """Key and certificate into the file `path`; returns the pin.  form: self, self-expired, ca, ca-expired, ca-wrong-name."""
        key, expired = new_key(kind), form.endswith("expired")
        if form.startswith("self"):
            # As the appliance's own: it is issued by itself, and its name does not match.
            certificate = _builder(SELF_NAME, SELF_NAME, key, expired).sign(key, hashes.SHA256())
            _write(path, 0o600, _key_pem(key), _pem(certificate))
            return pin_of(key)
        authority = self.begin()
        names = ([x509.DNSName("other.example")] if form == "ca-wrong-name"
                 else [x509.DNSName(host_name), x509.IPAddress(ipaddress.ip_address(address))])
        builder = _builder(host_name, self.NAME, key, expired).add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        _write(path, 0o600, _key_pem(key), _pem(builder.sign(authority, hashes.SHA256())))
        return pin_of(key)
