// Package house holds the code to the plan of the house: imports point down,
// each library enters by its own door, no file outgrows one idea, and nothing
// that is committed knows the machine it was written on. Its tests read the
// sources and run nothing. A new package or library fails them until it has
// been given its place in plan_test.go.
package house
