//go:build wasip1

package main

import "strings"

const hexDigits = "0123456789abcdef"

func hex(data []byte) string {
	out := make([]byte, 0, 2*len(data))
	for _, b := range data {
		out = append(out, hexDigits[b>>4], hexDigits[b&15])
	}
	return string(out)
}

func unhex(s string) []byte {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i+1 < len(s); i += 2 {
		high, low := strings.IndexByte(hexDigits, s[i]), strings.IndexByte(hexDigits, s[i+1])
		if high < 0 || low < 0 {
			panic("not hex: " + s)
		}
		out = append(out, byte(high<<4|low))
	}
	return out
}

// base58 reads an id in the text form of the API.
func base58(s string) (id [32]byte) {
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	for _, c := range []byte(s) {
		carry := strings.IndexByte(digits, c)
		if carry < 0 {
			panic("not base58: " + s)
		}
		for i := len(id) - 1; i >= 0; i-- {
			carry += 58 * int(id[i])
			id[i] = byte(carry)
			carry >>= 8
		}
		if carry != 0 {
			panic("longer than 32 bytes: " + s)
		}
	}
	return id
}
