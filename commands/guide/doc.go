// Package guide is the handbook that the program carries: a page for each topic,
// in Markdown that reads well as it is. A page is a file in topics; its first line
// is its title.
//
// What stands in a page's fences is run in its order by a test of package commands,
// so that it stays true: a fence of sh as it is; a fence of go as a file, or as the
// declaration of the same first line in a file, which the paragraph before it names
// at its end.
package guide
