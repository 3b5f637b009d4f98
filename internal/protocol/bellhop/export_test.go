package bellhop

// ReadCommand is readCommand, for tests.
func ReadCommand(frame []byte) (Command, error) { return readCommand(frame) }
