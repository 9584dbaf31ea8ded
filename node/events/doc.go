// Package events tells clients of this node what changed: a bounded fan-out
// from replicas to whoever watches (R21).
//
// The reference's NodeClient.send_event and its broadcast channel became the
// Bus. A publisher never waits: a watcher whose queue is full is ended with
// ErrTooSlow, so that nobody is silently skipped and nobody slow holds up a
// commit. Each watcher sees the changes of one context in the order of their
// commits.
//
// Nothing here is on disk; after a crash watchers connect again.
package events
