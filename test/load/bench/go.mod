module github.com/bellhop/bellhop/test/load/bench

go 1.26.8

require (
	github.com/bellhop/bellhop v0.0.0
	golang.org/x/sys v0.49.0
)

replace github.com/bellhop/bellhop => ../../..
