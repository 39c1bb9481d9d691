// An NVML of two GPUs, so that the binding is tested over a real shared library.
//
// NVML's GPU 0 is on bus 0xca and its GPU 1 on bus 0x65. The first wait for events tells that GPU 1 fell off the bus, and from then
// on it is lost until the library is started again. Functions of drivers newer than R525 are missing.
#include <stdio.h>
#include <string.h>

typedef struct device *device;
typedef unsigned long long u64;

enum { SUCCESS = 0, NOT_SUPPORTED = 3, TIMEOUT = 10, GPU_IS_LOST = 15 };

static int gpus[2], told, lost;

static int number(device d) { return d == (device)&gpus[1]; }
static int alive(device d) { return number(d) && lost ? GPU_IS_LOST : SUCCESS; }

int nvmlInit_v2(void) { told = lost = 0; return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int r) { return r == GPU_IS_LOST ? "GPU is lost" : r == NOT_SUPPORTED ? "Not Supported" : "Unknown Error"; }
int nvmlSystemGetDriverVersion(char *to, unsigned n) { snprintf(to, n, "525.147.05"); return SUCCESS; }
int nvmlSystemGetNVMLVersion(char *to, unsigned n) { snprintf(to, n, "12.525.147.05"); return SUCCESS; }
int nvmlSystemGetCudaDriverVersion(int *v) { *v = 12000; return SUCCESS; }

int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, device *d) { *d = (device)&gpus[i]; return SUCCESS; }
int nvmlDeviceGetUUID(device d, char *to, unsigned n) { snprintf(to, n, "GPU-%d2345678-1111-2222-3333-444444444444", number(d)); return SUCCESS; }
int nvmlDeviceGetName(device d, char *to, unsigned n) { snprintf(to, n, "NVIDIA L4"); return SUCCESS; }
int nvmlDeviceGetCudaComputeCapability(device d, int *major, int *minor) { *major = 8; *minor = 9; return SUCCESS; }
int nvmlDeviceGetComputeMode(device d, int *mode) { *mode = 3; return SUCCESS; }
int nvmlDeviceGetMigMode(device d, unsigned *current, unsigned *pending) { return NOT_SUPPORTED; }
int nvmlDeviceGetMaxPcieLinkGeneration(device d, unsigned *n) { *n = 4; return SUCCESS; }
int nvmlDeviceGetMaxPcieLinkWidth(device d, unsigned *n) { *n = 16; return SUCCESS; }

struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; };
int nvmlDeviceGetPciInfo_v3(device d, struct pci *p) {
	memset(p, 0, sizeof *p);
	p->bus = number(d) ? 0x65 : 0xca;
	snprintf(p->bus_id, sizeof p->bus_id, "00000000:%02X:00.0", p->bus);
	return SUCCESS;
}

struct memory { u64 total, free, used; };
int nvmlDeviceGetMemoryInfo(device d, struct memory *m) { m->total = 24ull << 30; m->free = 22ull << 30; m->used = 2ull << 30; return alive(d); }

struct utilization { unsigned gpu, memory; };
int nvmlDeviceGetUtilizationRates(device d, struct utilization *u) { u->gpu = 42; u->memory = 7; return alive(d); }
int nvmlDeviceGetTotalEccErrors(device d, int type, int counter, u64 *n) { return NOT_SUPPORTED; }
int nvmlDeviceGetPowerUsage(device d, unsigned *mw) { *mw = 43210; return alive(d); }
int nvmlDeviceGetEnforcedPowerLimit(device d, unsigned *mw) { *mw = 72000; return alive(d); }
int nvmlDeviceGetTotalEnergyConsumption(device d, u64 *mj) { *mj = 123456; return alive(d); }
int nvmlDeviceGetTemperature(device d, int sensor, unsigned *t) { *t = 55; return alive(d); }
int nvmlDeviceGetClockInfo(device d, int kind, unsigned *mhz) { *mhz = 1500 + kind; return alive(d); }
int nvmlDeviceGetCurrPcieLinkGeneration(device d, unsigned *n) { *n = 1; return alive(d); }
int nvmlDeviceGetCurrPcieLinkWidth(device d, unsigned *n) { *n = 16; return alive(d); }
int nvmlDeviceGetCurrentClocksThrottleReasons(device d, u64 *bits) { *bits = 4; return alive(d); }

struct event { device d; u64 type, data; unsigned gpu_instance, compute_instance; };
int nvmlDeviceGetSupportedEventTypes(device d, u64 *types) { *types = 8 | 2 | 1; return SUCCESS; }
int nvmlEventSetCreate(void **set) { *set = &told; return SUCCESS; }
int nvmlEventSetFree(void *set) { return SUCCESS; }
int nvmlDeviceRegisterEvents(device d, u64 types, void *set) { return types == (8 | 2) && set == &told ? SUCCESS : NOT_SUPPORTED; }
int nvmlEventSetWait_v2(void *set, struct event *e, unsigned timeout_ms) {
	if (told++) return TIMEOUT;
	lost = 1;
	*e = (struct event){(device)&gpus[1], 8, 79, ~0u, ~0u};
	return SUCCESS;
}
