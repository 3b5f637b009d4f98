// Package strict reads YAML that operators write and JSON that strangers send. It
// refuses whatever two readers could understand differently: duplicate members,
// unknown members, trailing data and text that is not UTF-8. Its errors say where the
// mistake is and what is allowed there, and never repeat a value, which may be a
// secret.
package strict
