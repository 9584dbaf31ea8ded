package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"

	"mero/node/vm/meter"
)

// Section is the name of the custom section that holds the description.
const Section = meter.DescriptionSection

var (
	errNotModule = errors.New("this is not a WebAssembly module")
	errCut       = errors.New("the WebAssembly module ends early, or is damaged")
)

const header = "\x00asm\x01\x00\x00\x00"

// Embed gives a copy of a module with the description as its last section; those
// that were there are left out.
func Embed(module, description []byte) ([]byte, error) {
	if len(description) > MaxSize {
		return nil, fmt.Errorf("the description has %d bytes, more than %d", len(description), MaxSize)
	}
	out := make([]byte, 0, len(module)+len(description)+32)
	out = append(out, header...)
	err := sections(module, func(id byte, content, whole []byte) {
		if _, ok := own(id, content); !ok {
			out = append(out, whole...)
		}
	})
	if err != nil {
		return nil, err
	}
	content := append([]byte{byte(len(Section))}, Section...)
	content = append(content, description...)
	out = binary.AppendUvarint(append(out, 0), uint64(len(content)))
	return append(out, content...), nil
}

// Extract is the description in a module, as it stands there, or nil.
func Extract(module []byte) (description []byte, err error) {
	err = sections(module, func(id byte, content, _ []byte) {
		if text, ok := own(id, content); ok {
			description = text
		}
	})
	return description, err
}

// own is the content behind the name of a custom section of ours.
func own(id byte, content []byte) (text []byte, ok bool) {
	if id != 0 {
		return nil, false
	}
	size, n := binary.Uvarint(content)
	if n <= 0 || size > uint64(len(content)-n) || string(content[n:n+int(size)]) != Section {
		return nil, false
	}
	return content[n+int(size):], true
}

// sections walks the sections of a module: content without head, and whole.
func sections(module []byte, each func(id byte, content, whole []byte)) error {
	if len(module) < len(header) || string(module[:len(header)]) != header {
		return errNotModule
	}
	for rest := module[len(header):]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return errCut
		}
		end := 1 + n + int(size)
		each(rest[0], rest[1+n:end], rest[:end])
		rest = rest[end:]
	}
	return nil
}
