# SPDX-License-Identifier: Apache-2.0
"""Link and click tokens written a second time, from their description alone: what the programs are compared with."""

import base64
import hmac
import os

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _boxes():
    """AES's S-box (FIPS 197 section 5.1.1)."""
    box, p, q = [0] * 256, 1, 1
    while True:
        p = p ^ (p << 1) ^ (0x11b if p & 0x80 else 0)
        p &= 0xff
        for shift in (1, 2, 4):
            q ^= q << shift
        q &= 0xff
        if q & 0x80:
            q ^= 0x09
        x = q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4)
        box[p] = (x ^ 0x63) & 0xff
        if p == 1:
            box[0] = 0x63
            return box


SBOX = _boxes()
XTIME = [(x << 1) ^ (0x11b if x & 0x80 else 0) for x in range(256)]


class Aes256:
    """One direction is enough: minting encrypts, and GCM opens with the same."""

    def __init__(self, key):
        words = [list(key[i:i + 4]) for i in range(0, 32, 4)]
        rcon = 1
        for i in range(8, 60):
            word = list(words[i - 1])
            if i % 8 == 0:
                word = [SBOX[b] for b in word[1:] + word[:1]]
                word[0] ^= rcon
                rcon = XTIME[rcon]
            elif i % 8 == 4:
                word = [SBOX[b] for b in word]
            words.append([a ^ b for a, b in zip(words[i - 8], word)])
        self.rounds = [sum(words[i:i + 4], []) for i in range(0, 60, 4)]

    def encrypt(self, block):
        state = [a ^ b for a, b in zip(block, self.rounds[0])]
        for number in range(1, 15):
            state = [SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
            if number < 14:
                mixed = []
                for column in range(0, 16, 4):
                    part = state[column:column + 4]
                    whole = part[0] ^ part[1] ^ part[2] ^ part[3]
                    mixed += [part[i] ^ whole ^ XTIME[part[i] ^ part[(i + 1) % 4]] for i in range(4)]
                state = mixed
            state = [a ^ b for a, b in zip(state, self.rounds[number])]
        return bytes(state)


def hkdf(master, info):
    """RFC 5869 with SHA-256, no salt, 32 bytes."""
    secret = hmac.digest(bytes(32), master, "sha256")
    return hmac.digest(secret, info + b"\x01", "sha256")


def _gmul(x, y):
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            z ^= y
        y = y >> 1 ^ (0xe1 << 120 if y & 1 else 0)
    return z


def _ghash(h, data):
    y = 0
    for i in range(0, len(data), 16):
        y = _gmul(y ^ int.from_bytes(data[i:i + 16].ljust(16, b"\0"), "big"), h)
    return y


class Keys:
    """One slot's sub-keys."""

    def __init__(self, master, slot=0):
        self.slot = slot
        self.link = Aes256(hkdf(master, b"wasl link v1"))
        self.click = Aes256(hkdf(master, b"wasl click v1"))

    def mint_link(self, affiliate, product, campaign=0):
        plain = (affiliate.to_bytes(4, "big") + product.to_bytes(4, "big") +
                 campaign.to_bytes(3, "big") + b"\x01\0\0\0\0")
        number = self.slot << 128 | int.from_bytes(self.link.encrypt(plain), "big")
        digits = ""
        for _ in range(22):
            number, digit = divmod(number, 62)
            digits = BASE62[digit] + digits
        return digits

    def mint_click(self, affiliate, product, ms, window_s=2592000, campaign=0, flags=0, click_id=None):
        """A click token of any time; its id's bucket is random, unless the whole id (bytes) is given."""
        free = int.from_bytes(os.urandom(10), "big") & (1 << 74) - 1
        bits = ms << 80 | 7 << 76 | (free >> 62) << 64 | 2 << 62 | free & (1 << 62) - 1
        click_id = click_id or bits.to_bytes(16, "big")
        plain = (affiliate.to_bytes(4, "big") + product.to_bytes(4, "big") + campaign.to_bytes(3, "big") +
                 bytes([flags]) + window_s.to_bytes(4, "big"))
        header = bytes([0x10 | self.slot])
        stream, seal = self._gcm(click_id)
        cipher = bytes(a ^ b for a, b in zip(plain, stream))
        return base64.urlsafe_b64encode(header + click_id + cipher + seal(header, cipher)).decode()

    def _gcm(self, click_id):
        """The key stream's first block, and what makes the tag (NIST SP 800-38D, one block, IV of 16 bytes)."""
        h = int.from_bytes(self.click.encrypt(bytes(16)), "big")
        j0 = _ghash(h, click_id + bytes(8) + (128).to_bytes(8, "big")).to_bytes(16, "big")
        count = (int.from_bytes(j0[12:], "big") + 1) % 2**32

        def seal(header, cipher):
            lengths = (8).to_bytes(8, "big") + (128).to_bytes(8, "big")
            mac = _ghash(h, header.ljust(16, b"\0") + cipher + lengths).to_bytes(16, "big")
            return bytes(a ^ b for a, b in zip(mac, self.click.encrypt(j0)))[:12]

        return self.click.encrypt(j0[:12] + count.to_bytes(4, "big")), seal

    def open_click(self, token):
        """The claim as a dict; AssertionError if the token is not genuine."""
        assert len(token) == 60, token
        raw = base64.urlsafe_b64decode(token)
        header, click_id, cipher, tag = raw[:1], raw[1:17], raw[17:33], raw[33:]
        assert header[0] == 0x10 | self.slot, header
        stream, seal = self._gcm(click_id)
        assert seal(header, cipher) == tag, "the tag does not fit"
        plain = bytes(a ^ b for a, b in zip(cipher, stream))
        bits = int.from_bytes(click_id, "big")
        free = (bits >> 64 & 0xfff) << 62 | (bits & (1 << 62) - 1)
        return {
            "click_id": click_id, "ms": bits >> 80, "version": bits >> 76 & 0xf,
            "variant": bits >> 62 & 3, "bucket": "%017x" % (free >> 6), "index": free & 63,
            "affiliate": int.from_bytes(plain[0:4], "big"), "product": int.from_bytes(plain[4:8], "big"),
            "campaign": int.from_bytes(plain[8:11], "big"), "flags": plain[11],
            "window_s": int.from_bytes(plain[12:16], "big"),
        }


def parse_record(raw):
    """A click's record in Redis."""
    assert len(raw) == 32 and raw[0] >> 4 == 1, raw
    number = lambda a, b: int.from_bytes(raw[a:b], "big")
    return {"class": raw[0] & 15, "app": raw[1] >> 3, "os": raw[1] & 7, "flags": raw[2] & 0x7f,
            "has_extras": bool(raw[2] & 0x80), "campaign": number(3, 6), "affiliate": number(6, 10),
            "product": number(10, 14), "store": number(14, 18), "window_s": number(18, 22),
            "visitor": number(22, 28), "network": number(28, 32)}
