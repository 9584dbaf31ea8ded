// Package child runs nodes as children of this process: this program, started
// again, in homes of their own on free ports of loopback. Benchmarks and local
// networks are made of them.
//
// A child is asked to end when the context ends that it was started with, and killed
// when it does not follow; it does not outlive this process on Linux. It sees none
// of the user's MERO variables.
package child
