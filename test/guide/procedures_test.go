package guide

import "testing"

// procedures returns the test of each section, by its heading.
func procedures() map[string]func(*testing.T, *section) {
	return map[string]func(*testing.T, *section){
		"Replacing keys and secrets":         replaceKeys,
		"Backup":                             backupAndRestore,
		"Export and erasure":                 erase,
		"Full disk":                          fullDisk,
		"Upgrade":                            upgrade,
		"Logs and metrics":                   logLevel,
		"Why did a notification not arrive?": whyNot,
	}
}
