package blobkit

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	blobs    prometheus.Gauge
	stored   prometheus.Gauge
	written  prometheus.Counter
	read     prometheus.Counter
	puts     *prometheus.CounterVec
	damaged  prometheus.Counter
	diskFull prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		blobs: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mero_blobkit_blobs", Help: "Blobs in the store.",
		}),
		stored: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mero_blobkit_content_bytes", Help: "Sum of the sizes of all blobs; chunks that blobs share are counted for each.",
		}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_blobkit_written_bytes_total", Help: "Bytes of chunks written to disk; chunks that were there already are not written again.",
		}),
		read: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_blobkit_read_bytes_total", Help: "Bytes of chunks read from disk and verified.",
		}),
		puts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_blobkit_puts_total", Help: "Puts by result: stored, present (the blob was there), failed.",
		}, []string{"result"}),
		damaged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_blobkit_damaged_total", Help: "Files found damaged or missing.",
		}),
		diskFull: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_blobkit_disk_full_total", Help: "Writes refused because the disk is full or the reserve is reached.",
		}),
	}
	for _, result := range []string{resultStored, resultPresent, resultFailed} {
		m.puts.WithLabelValues(result)
	}
	reg.MustRegister(m.blobs, m.stored, m.written, m.read, m.puts, m.damaged, m.diskFull)
	return m
}

const (
	resultStored  = "stored"
	resultPresent = "present"
	resultFailed  = "failed"
)
