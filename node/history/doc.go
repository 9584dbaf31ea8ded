// Package history is what a node knows of the deltas of one context: their graph, and
// which of them wait and for what (R4). It decides what belongs into the state and
// what may still wait; it folds nothing.
//
// Unpack verifies deltas as they come, before they meet the graph.
//
// A delta is held when it waits for something of its own, and blocked when it is held
// or rests on one that is. What is connected and not blocked belongs into the state.
// What waits for its parents is pending in the graph.
package history
