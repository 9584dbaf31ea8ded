// Command files is a place to drop files: the state has their names and blob ids,
// and the nodes pass the content on. Every version of a file stays.
package main

import (
	"errors"
	"io"
	"time"

	"mero/node/sdk"
)

func main() {} // a library: the node calls the methods

// Files is the state.
type Files struct {
	Current  sdk.Map[File]                // by name
	Versions sdk.MapOf[sdk.OnceMap[File]] // by name, then by keys that sort by time
	Dropped  sdk.Event[File]
}

// File is one version of a file.
type File struct {
	Name   string    `json:"name"`
	Blob   sdk.ID    `json:"blob"`
	Size   uint64    `json:"size"`
	Type   string    `json:"type,omitempty"`
	Author sdk.ID    `json:"author"`
	At     time.Time `json:"at"`
}

// maxRead is how much Read gives at once.
const maxRead = 1 << 20

// Put stores content under a name. What is larger than an argument should be is
// put into a blob first (mero blob put), and then linked.
func (f *Files) Put(name string, content []byte, kind *string) (File, error) {
	return f.add(name, sdk.PutBlob(content), uint64(len(content)), kind)
}

// Link gives a name to a blob that is on this node.
func (f *Files) Link(name string, blob sdk.ID, size uint64, kind *string) (File, error) {
	return f.add(name, blob, size, kind)
}

func (f *Files) add(name string, blob sdk.ID, size uint64, kind *string) (File, error) {
	if name == "" || len(name) > 200 {
		return File{}, errors.New("a name has 1 to 200 bytes")
	}
	file := File{Name: name, Blob: blob, Size: size, Author: sdk.Executor(), At: sdk.Now()}
	if kind != nil {
		file.Type = *kind
	}
	f.Current.Put(name, file)
	f.Versions.At(name).Put(sdk.NewKey(), file)
	sdk.AnnounceBlob(blob)
	f.Dropped.Emit(file)
	return file, nil
}

// Get tells about a file.
//
//mero:reads
func (f *Files) Get(name string) (File, error) {
	file, ok := f.Current.Get(name)
	if !ok {
		return File{}, &sdk.Error{Kind: "NotFound", Data: name}
	}
	return file, nil
}

// Read gives content from a position on, at most 1 MiB; nothing is the end, or a
// blob that has not come to this node.
//
//mero:reads
func (f *Files) Read(name string, from, most int) ([]byte, error) {
	file, err := f.Get(name)
	switch {
	case err != nil:
		return nil, err
	case from < 0 || most < 0:
		return nil, errors.New("from and most are not negative")
	}
	r := sdk.OpenBlob(file.Blob)
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, int64(from)); err != nil {
		return []byte{}, nil
	}
	content := make([]byte, min(most, maxRead))
	n, err := io.ReadFull(r, content)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return content[:n], nil
}

// List gives the files by name, at most limit, behind a name if one is given.
//
//mero:reads
func (f *Files) List(after *string, limit int) []File {
	from := ""
	if after != nil {
		from = *after
	}
	list := []File{}
	for _, file := range f.Current.Range(from, "") {
		if len(list) >= limit {
			break
		}
		list = append(list, file)
	}
	return list
}

// History gives the versions of a file, the oldest first, removed ones too.
//
//mero:reads
func (f *Files) History(name string) []File {
	list := []File{}
	for _, file := range f.Versions.At(name).All() {
		list = append(list, file)
	}
	return list
}

// Remove takes a file out of the list; its versions stay.
func (f *Files) Remove(name string) error {
	if !f.Current.Remove(name) {
		return &sdk.Error{Kind: "NotFound", Data: name}
	}
	return nil
}
