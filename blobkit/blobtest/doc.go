// Package blobtest is what every blob store must pass, whatever lies beneath it.
//
// A store's own test calls [Run]. The suite uses the store only through its
// methods, so it says nothing of files; damage and full disks are each store's
// own to test.
package blobtest
