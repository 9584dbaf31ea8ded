// Package store holds everything that a node keeps at rest, except blobs: the
// replicated state of its contexts, their deltas and heads, identities and
// epoch keys, applications, aliases, tokens and the queue of calls between
// contexts. It is the only package that knows badger, and keys.go is the only
// file that knows how keys look.
//
// # What it promises
//
//   - A Step is atomic: after any crash either all of it is there or nothing
//     (R5). It is durable when Commit returns (Config.Fsync, on by default).
//   - A View is one consistent snapshot, however many steps follow.
//   - What was acknowledged is there after Open, or Open says *DamagedError;
//     a wrong value is never served (F4). See "Damage" below.
//   - On a full disk every write fails with ErrDiskFull and changes nothing;
//     writing goes on by itself once there is room (F5).
//   - No record is larger than 64 KiB, whatever its value is: large values are
//     cut into pages and only changed pages are written, so overwriting a large
//     value neither costs its size nor leaves it behind in a value log.
//
// # Who writes
//
// node/replica is the only writer of a context: it reads a View, works, and
// commits a Step that says what it found (Change.Old, Context.Step). The store
// checks the latter and refuses a step that was made from an older state
// (ErrStale). node/apps writes applications, node/auth tokens, node/server
// aliases.
//
// # Concurrency
//
// All methods may be called by many goroutines. Commits of one context run one
// after the other; commits of several contexts that wait at the same time share
// one badger transaction and one fsync. There is no goroutine behind that: the
// first to come writes for those who came meanwhile. Run is the one method that
// lives as long as the store; without it everything works, but leftovers of
// crashes stay on disk.
//
// # Large steps
//
// A badger transaction takes about 1 MiB. What is larger is written as an
// overlay generation beside the state: many transactions that nobody sees, then
// one small one that switches readers over (that is the acknowledgement), then
// many that move the overlay into the state. A crash before the switch leaves
// garbage that Run sweeps, a crash after it leaves an overlay that Run or the
// next Commit moves. Readers look into the overlay first and see no difference.
//
// A Scratch is such a generation that its user fills as long as he likes, for deep
// roll-backs and rebuilds (R8): the step that names it switches to it. A process that
// ends before leaves garbage that is swept.
//
// # What is a cache
//
// Undo spans are: a step may drop any of them, and whoever misses one folds again.
//
// # Damage
//
// badger on its own answers damage with silence. So Open reads its files first, with
// node/store/files, and compares them with the anchor, a small file beside the
// database that names the newest acknowledged transaction.
package store
