// Package guest is what the code that `mero app build` generates calls at the
// edge of a method: it reads the arguments and hands back the result. It is for
// GOOS=wasip1 alone.
package guest
