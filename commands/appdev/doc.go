// Package appdev is the workbench of those who write applications: it makes a new
// project, compiles one, and tells what methods an application has.
//
// A project is a Go module that has the SDK's source with it, in its folder
// .mero, so that it is built and tested without a network. That source is part of
// this program; Build brings the project's copy up to date. Compiling is what the
// Go toolchain of the machine does; package appgen writes what the project's own
// source lacks.
//
// What a project has under its own names is never written over. The binary and
// the generated file are replaced as a whole, so that nobody reads half of one.
package appdev
