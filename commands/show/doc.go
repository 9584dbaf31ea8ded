// Package show prints for people what a node answers: deltas, states, what a call
// would change. What scripts get is printed elsewhere, as JSON.
//
// A text of somebody else goes through Printable, so that it stays on its line and
// cannot command a terminal.
package show
