package notify

import "fmt"

// MaxDeliveries is the maximum number of deliveries in a Delivered entry.
const MaxDeliveries = 500

// Delivered records that notifications whose publishers have asked for a receipt were written to a
// connection of a user. The first record of a notification and a user counts.
type Delivered struct {
	Deliveries []Delivery // at least one
	MaxBytes   int64      // as in Publish: the record is not kept if others have taken half of it
}

// Delivery is the first write of a notification to one of the devices of a user.
type Delivery struct {
	User     UserID
	Sequence Sequence // of the notification
}

func (e *Delivered) fault() string {
	if n := len(e.Deliveries); n < 1 || n > MaxDeliveries {
		return fmt.Sprintf("%d deliveries; 1 to %d are allowed", n, MaxDeliveries)
	}
	for _, d := range e.Deliveries {
		if fault := nameLength("the user of a delivery", d.User); fault != "" {
			return fault
		}
	}
	return ""
}

func (Delivered) entry() {}
