package apptest

// The modules below are written by hand, section by section: a section is its
// id, its length and its content.

const header = "\x00asm\x01\x00\x00\x00"

// Pieces of most of them: the type () -> (), one function of it, one page of
// memory.
const (
	typeVoid   = "\x01\x04\x01\x60\x00\x00"
	oneFunc    = "\x03\x02\x01\x00"
	onePage    = "\x05\x03\x01\x00\x01"
	exportInit = "\x07\x11\x02\x06memory\x02\x00\x04init\x00\x00" // and the memory
	emptyBody  = "\x0a\x04\x01\x02\x00\x0b"
)

// NotWASM is a file of another kind.
func NotWASM() []byte { return []byte("#!/bin/sh\necho this is not a module\n") }

// Truncated is Minimal, cut inside its last section.
func Truncated() []byte { m := Minimal(); return m[:len(m)-2] }

// Minimal is a module that a host may run: a memory and an init that does
// nothing.
func Minimal() []byte { return withInit("") }

// NoMemory exports init and no memory.
func NoMemory() []byte {
	return []byte(header + typeVoid + oneFunc + "\x07\x08\x01\x04init\x00\x00" + emptyBody)
}

// MissingImport is Minimal with the imports env.no_such_function and
// elsewhere.neither, both () -> ().
func MissingImport() []byte {
	return []byte(header + typeVoid +
		"\x02\x2c\x02\x03env\x10no_such_function\x00\x00\x09elsewhere\x07neither\x00\x00" +
		oneFunc + onePage + "\x07\x11\x02\x06memory\x02\x00\x04init\x00\x02" + emptyBody)
}

// WrongSignature is Minimal whose init takes an i32.
func WrongSignature() []byte {
	return []byte(header + "\x01\x05\x01\x60\x01\x7f\x00" + oneFunc + onePage +
		exportInit + emptyBody)
}

// Loop is Minimal whose init never ends.
func Loop() []byte { return withInit("\x03\x40\x0c\x00\x0b") }

// Recursion is Minimal whose init calls itself.
func Recursion() []byte { return withInit("\x10\x00") }

func withInit(code string) []byte {
	body := "\x00" + code + "\x0b"
	return []byte(header + typeVoid + oneFunc + onePage + exportInit +
		"\x0a" + string([]byte{byte(len(body) + 2), 1, byte(len(body))}) + body)
}
