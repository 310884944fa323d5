"""Protobuf as bytes, for the few fields that the receiver adds to requests itself."""

from __future__ import annotations


def bytes_field(number: int, content: bytes) -> bytes:
    """A field of text, bytes or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    """A field of a whole number from 0 on."""
    return varint(number << 3) + varint(value)


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the eighth bit set."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])
