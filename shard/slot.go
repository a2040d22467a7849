// Package shard holds the words of partitioning: slots, ranges of slots and
// the map from slots to groups. It is pure: no I/O, no clock, no goroutine.
package shard

import "bytes"

// Slots is the number of hash partitions of the key space. It is Redis
// Cluster's number, so that every cluster client computes the same slot.
const Slots = 16384

// Slot returns the hash slot of key exactly as Redis Cluster does (cluster
// specification, "Key distribution model"): CRC16 of the key modulo 16384; if
// the key holds a non-empty {tag}, only the first tag is hashed.
func Slot(key []byte) uint16 {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if n := bytes.IndexByte(key[open+1:], '}'); n > 0 {
			key = key[open+1 : open+1+n]
		}
	}
	return crc16(key) % Slots
}

// crc16 is CRC-16/XMODEM: polynomial 0x1021, initial value 0.
func crc16(b []byte) uint16 {
	var crc uint16
	for _, c := range b {
		crc = crc<<8 ^ crc16Table[byte(crc>>8)^c]
	}
	return crc
}

var crc16Table = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[i] = crc
	}
	return t
}()
