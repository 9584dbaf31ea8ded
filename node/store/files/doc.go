// Package files reads the files of a badger database before badger opens it and may
// change them: node/store's first look (F4). It knows the forms of badger v4.9.6 and
// nothing of what mero keeps in it.
//
// badger on its own answers damage with silence: a log is cut at the first bad
// record, a table with a bad index is left out, a block with a bad checksum reads as
// "no such key", and some damage ends the process. So everything is looked at here
// first: every record of every log, that no transaction is missing between them, and
// that the last one is not older than the anchor; tables are read by a function of
// the caller's, who alone imports badger.
//
// Nothing here starts a goroutine; the caller holds the store's lock.
package files
