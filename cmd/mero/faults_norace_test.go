//go:build !race

package main_test

// raced: the race detector makes everything several times slower.
const raced = false
