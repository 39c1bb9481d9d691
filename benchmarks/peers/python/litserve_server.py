"""LitServe with batching: litserve_server.py PORT"""

import os
import sys

import litserve
import numpy as np


class Model(litserve.LitAPI):
    def setup(self, device):
        from model import load

        self.run = load()

    def decode_request(self, request):
        return np.asarray(request["instances"], dtype=np.float32)

    def batch(self, inputs):
        self.sizes = [len(x) for x in inputs]
        return np.concatenate(inputs)

    def predict(self, batch):
        return self.run(batch)

    def unbatch(self, output):
        return np.split(output, np.cumsum(self.sizes)[:-1])

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Model(max_batch_size=64, batch_timeout=0.005), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=int(os.environ["WORKERS"]), generate_client_file=False,
               log_level="warning")
