"""llama.cpp's server on loopback, until it is stopped: `llama_cpp.py MODEL.gguf PORT`.

Attention in single precision throughout: with what the server does otherwise, a cache in half precision and fused
attention, this checkpoint's log-probabilities are off by 0.004.
"""

import signal
import sys

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.model_alias = {"tiny"}
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(sys.argv[2])
parameters.offline = True
parameters.n_ctx = 2048
parameters.n_parallel = 1
parameters.cpuparams.n_threads = 1
parameters.cpuparams_batch.n_threads = 1
parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
signal.pause()
