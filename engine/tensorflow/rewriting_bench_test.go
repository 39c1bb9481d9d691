package tensorflow

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/engine/tensorflow/rewrite"
	"shoal/internal/memory"
	"shoal/tensor"
)

// ways are the ways a model is loaded in the benchmarks.
var ways = []struct {
	name    string
	options Options
}{
	{"as_it_is", Options{NoPrune: true}},
	{"pruned", Options{Freeze: rewrite.Never}},
	{"frozen", Options{Freeze: rewrite.Always}},
}

// benchOptions adds the session's threads: what runs side by side in a server computes in one thread each.
func benchOptions(o Options) Options {
	o.Config = &pb.ConfigProto{IntraOpParallelismThreads: 1}
	return o
}

// benchModels are the directories of the benchmarks' models; it skips where they were not made.
func benchModels(b *testing.B) map[string]string {
	models := make(map[string]string)
	for _, name := range []string{"bench/mobilenet_v2", "bench/resnet50", "test/mlp", "rewrite/transformer"} {
		dir, _ := filepath.Abs(filepath.Join("..", "..", ".cache", "models", name, "1"))
		if _, err := os.Stat(dir); err != nil {
			b.Skipf("the models are not there (make bench makes them): %v", err)
		}
		models[filepath.Base(name)] = dir
	}
	return models
}

// BenchmarkRewritten is the raw session loop, by model, what was done to it, and batch size; "mixed" is batches of 1, 8 and 3
// in turn.
func BenchmarkRewritten(b *testing.B) {
	models := benchModels(b)
	for _, model := range sortedKeys(models) {
		for _, way := range ways {
			b.Run(model+"/"+way.name, func(b *testing.B) {
				r := newRunner(b, models[model], benchOptions(way.options))
				for _, rows := range []int64{1, 8, 32} {
					if model == "resnet50" && rows > 8 {
						continue
					}
					b.Run(strconv.FormatInt(rows, 10), func(b *testing.B) { benchmarkRows(b, r, rows) })
				}
				b.Run("mixed", func(b *testing.B) { benchmarkRows(b, r, 1, 8, 3) })
			})
		}
	}
}

// benchmarkRows runs batches of these sizes in turn.
func benchmarkRows(b *testing.B, r runner, rows ...int64) {
	sig := r.model.Signatures["serving_default"]
	random := rand.New(rand.NewPCG(1, 2))
	instances, i := int64(0), 0
	run := func(n int64) {
		out, err := r.run(sig.Name, randomInputs(sig, n, random))
		if err != nil {
			b.Fatal(err)
		}
		out.Free()
	}
	for _, n := range rows { // the first run of a size prepares it
		run(n)
	}
	inputs := make([][]tensor.Tensor, len(rows))
	for k, n := range rows {
		inputs[k] = randomInputs(sig, n, random)
	}
	start := cpuTime()
	for b.Loop() {
		out, err := r.run(sig.Name, inputs[i%len(rows)])
		if err != nil {
			b.Fatal(err)
		}
		out.Free()
		instances += rows[i%len(rows)]
		i++
	}
	b.ReportMetric(float64(instances)/(cpuTime()-start).Seconds(), "instances/cpu-s")
}

// cpuTime is what this process has computed so far: unlike the clock it says much even on a busy machine.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// loadEnv makes the test binary load one model and report what that took: see TestLoadInChild.
const loadEnv = "SHOAL_LOAD_IN_CHILD"

type loadReport struct {
	Load, First   time.Duration
	Resident, Top int64 // bytes more than before the load: after the first run; at most
}

// BenchmarkLoad loads a model in a process of its own and runs it once: the time of both, and the memory they take.
func BenchmarkLoad(b *testing.B) {
	models := benchModels(b)
	for _, model := range sortedKeys(models) {
		for _, way := range ways {
			b.Run(model+"/"+way.name, func(b *testing.B) {
				var sum loadReport
				n := 0
				for b.Loop() {
					cmd := exec.Command(os.Args[0], "-test.run=^TestLoadInChild$", "-test.v")
					cmd.Env = append(os.Environ(), loadEnv+"="+way.name+" "+models[model])
					out, err := cmd.Output()
					if err != nil {
						b.Fatalf("%v\n%s", err, out)
					}
					_, line, _ := bytes.Cut(out, []byte("report: "))
					line, _, _ = bytes.Cut(line, []byte("\n"))
					var one loadReport
					if err := json.Unmarshal(line, &one); err != nil {
						b.Fatalf("%v in %s", err, out)
					}
					sum = loadReport{sum.Load + one.Load, sum.First + one.First, sum.Resident + one.Resident, sum.Top + one.Top}
					n++
				}
				b.ReportMetric(sum.Load.Seconds()*1e3/float64(n), "load-ms")
				b.ReportMetric(sum.First.Seconds()*1e3/float64(n), "first-run-ms")
				b.ReportMetric(float64(sum.Resident)/1e6/float64(n), "MB")
				b.ReportMetric(float64(sum.Top)/1e6/float64(n), "peak-MB")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// TestLoadInChild is BenchmarkLoad's other half.
func TestLoadInChild(t *testing.T) {
	name, dir, ok := strings.Cut(os.Getenv(loadEnv), " ")
	if !ok {
		t.Skip("only BenchmarkLoad runs this")
	}
	for _, way := range ways {
		if way.name != name {
			continue
		}
		before := processBytes(t, "RssAnon")
		top := processBytes(t, "VmHWM")
		start := time.Now()
		r := newRunner(t, dir, benchOptions(way.options))
		report := loadReport{Load: time.Since(start)}
		sig := r.model.Signatures["serving_default"]
		start = time.Now()
		out, err := r.run(sig.Name, randomInputs(sig, 1, rand.New(rand.NewPCG(1, 2))))
		if err != nil {
			t.Fatal(err)
		}
		out.Free()
		report.First = time.Since(start)
		memory.Release()
		report.Resident, report.Top = processBytes(t, "RssAnon")-before, processBytes(t, "VmHWM")-top
		line, _ := json.Marshal(report)
		fmt.Printf("report: %s\n", line)
	}
}

// processBytes reads a figure of this process in /proc, in bytes.
func processBytes(t testing.TB, field string) int64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), field+":"); ok {
			kilobytes, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
