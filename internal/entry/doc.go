// Package entry encodes the entries of the journal, alone and in messages, so that they
// can be stored and sent to other nodes.
//
// # The encoding
//
// An entry is a byte for its kind, a byte for the version of the kind, and its fields in
// a fixed order, as package pack writes them. A message is a byte for the version of
// messages, and a part for each entry: its encoding with the length before it. The
// encoding is lossless, and each value has one encoding only. An entry has no time of
// its own in a message: its time is that of the message, which the journal knows.
//
// Later versions must read what earlier ones have written: golden files in testdata hold
// an entry of each kind and version. A version is never changed. A kind with other fields
// gets a new version, and the decoder keeps the reader of the earlier one.
//
// # What cannot be read
//
// Decoding never fails. An entry of an unknown kind, of a newer version, or with malformed
// fields becomes a notify.Unknown, which keeps its bytes. Applied, it takes its sequence,
// changes nothing, and has a verdict of kind notify.ErrNotApplied: on every node alike,
// because new kinds and versions belong to a new version of the rules (from the first
// release on: see rules.go in package store) and are written only once that is in force.
// A node that lacks the new rules stops at the notify.Generation that brings them into
// force, before it could skip an entry that others apply. A message that cannot be read
// counts as one Unknown entry; the version of messages does not change within a journal.
package entry
