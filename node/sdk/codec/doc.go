// Package codec reads and writes values as JSON without reflection, for the code
// that `mero app build` generates: encoding/json adds half again to the size of a
// small guest and to the memory that every call begins with.
//
// A value is written as encoding/json would, except that an empty list is [] and
// an empty map {}, never null. Reading takes what encoding/json takes, except
// that names of fields must match in case, and text must be UTF-8. null leaves a
// value as it is.
//
// Every type has a pair of functions, Append… and Read…, of the types Append[T]
// and Read[T]; those of composed types take those of their parts.
package codec
