// Package history is what a node knows of the deltas of one context: their graph, and
// which of them wait and for what (R4). It decides what belongs into the state and
// what may still wait; it folds nothing.
//
// It also knows the membership at each delta that was judged (R11): a label in the
// graph, the number of a view in a members.Log. Labels follow from the past of a delta
// alone, so they stay when the state is taken back.
//
// Unpack verifies deltas as they come, before they meet the graph.
//
// A delta is held when it waits for something of its own, and blocked when it is held
// or rests on one that is. What is connected and not blocked belongs into the state.
// What waits for its parents is pending in the graph.
package history
