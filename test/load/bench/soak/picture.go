//go:build linux

package soak

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// curve is a figure of the samples over time.
type curve struct {
	name  string
	color color.Color
	of    func(*Sample) float64
}

// Picture draws the samples as PNG into a file: memory, goroutines and files, disk, and latency, with a
// line at the restart.
func (r *Result) Picture(file string) error {
	blue, orange := color.RGBA{R: 31, G: 91, B: 168, A: 255}, color.RGBA{R: 214, G: 104, B: 19, A: 255}
	panels := []struct {
		title  string
		curves []curve
	}{
		{"memory, MiB", []curve{
			{"resident", blue, func(s *Sample) float64 { return s.RSS / mebibyte }},
			{"heap after a collection", orange, func(s *Sample) float64 { return s.Heap / mebibyte }},
		}},
		{"goroutines and open files", []curve{
			{"goroutines", blue, func(s *Sample) float64 { return s.Goroutines }},
			{"open files", orange, func(s *Sample) float64 { return s.Files }},
		}},
		{"store, MiB", []curve{
			{"on disk", blue, func(s *Sample) float64 { return s.Disk / mebibyte }},
			{"kept, before compression", orange, func(s *Sample) float64 { return s.Kept / mebibyte }},
		}},
		{"publish to socket, ms", []curve{
			{"p99", blue, func(s *Sample) float64 { return max(milliseconds(s.P99), lowestLatency) }},
			{"p50", orange, func(s *Sample) float64 { return max(milliseconds(s.P50), lowestLatency) }},
		}},
	}
	canvas := vgimg.NewWith(vgimg.UseWH(9.5*vg.Inch, 11*vg.Inch), vgimg.UseDPI(110), vgimg.UseBackgroundColor(color.White))
	rows := make([][]*plot.Plot, len(panels))
	for i, panel := range panels {
		p, err := r.panel(panel.title, panel.curves)
		if err != nil {
			return fmt.Errorf("draw %s: %w", panel.title, err)
		}
		if i == len(panels)-1 { // one slow minute would hide all others
			logarithmic(p)
		}
		rows[i] = []*plot.Plot{p}
	}
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadY: vg.Points(12), PadTop: vg.Points(8), PadBottom: vg.Points(8), PadLeft: vg.Points(8), PadRight: vg.Points(16)}
	for i, row := range plot.Align(rows, tiles, draw.New(canvas)) {
		rows[i][0].Draw(row[0])
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(out); err != nil {
		_ = out.Close() // it is incomplete anyway
		return fmt.Errorf("write the picture: %w", err)
	}
	return out.Close()
}

// lowestLatency is the lowest value of a logarithmic axis, in milliseconds.
const lowestLatency = 0.1

func logarithmic(p *plot.Plot) {
	p.Y.Min, p.Y.Scale, p.Y.Tick.Marker = lowestLatency, plot.LogScale{}, plot.LogTicks{Prec: -1}
}

// shortTicks are the ticks that a plot has by default, without needless digits: 250 instead of 250.00.
type shortTicks struct{}

// Ticks implements plot.Ticker.
func (shortTicks) Ticks(lowest, highest float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lowest, highest)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = strconv.FormatFloat(ticks[i].Value, 'g', 6, 64)
		}
	}
	return ticks
}

// panel draws curves over the minutes of the run.
func (r *Result) panel(title string, curves []curve) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = title, "minutes"
	p.X.Min, p.X.Max, p.Y.Min = 0, r.Options.For.Minutes(), 0
	p.Y.Tick.Marker = shortTicks{}
	p.Legend.Top = true
	top := 0.0
	for _, c := range curves {
		points := make(plotter.XYs, len(r.Samples))
		for i := range r.Samples {
			points[i].X, points[i].Y = r.Samples[i].At.Minutes(), c.of(&r.Samples[i])
			top = math.Max(top, points[i].Y)
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = c.color, vg.Points(1.2)
		p.Add(line)
		p.Legend.Add(c.name, line)
	}
	p.Y.Max = 1.4 * top // space for the legend
	restart, err := plotter.NewLine(plotter.XYs{{X: r.Restarted.Minutes(), Y: lowestLatency}, {X: r.Restarted.Minutes(), Y: p.Y.Max}})
	if err != nil {
		return nil, err
	}
	restart.Dashes, restart.Color = []vg.Length{vg.Points(3), vg.Points(3)}, color.Gray{Y: 120}
	p.Add(restart)
	p.Legend.Add("restart", restart)
	return p, nil
}
