// Package layer has key spaces over key spaces: what a batch has changed, over what
// was spilled to the disk, over a snapshot of the store. Each can be read by key and
// in the order of keys.
package layer
