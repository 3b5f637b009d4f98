// Package wire reads what strangers send and writes what they read, as
// CONTRACT says it: strict JSON in, notifications, frames and problems out. It
// promises that nothing it passes on is ambiguous, and leaves to others
// whether it is allowed.
package wire
