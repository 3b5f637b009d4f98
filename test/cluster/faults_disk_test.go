package cluster

func diskFaults() []fault { return nil }
