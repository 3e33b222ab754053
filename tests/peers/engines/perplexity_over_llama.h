#pragma once

// What llama.cpp's tools/perplexity/perplexity.cpp takes from llama.cpp's common library, over
// llama.h alone: of the classes in common.h each build of llama.cpp has others, and the library
// that is linked is of a later one than the sources. Arguments: MODEL TEXT N_CTX THREADS LOGITS (""
// for none; "=FILE" reads what "FILE" wrote).

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "llama.h"

// The library exports classes of these names, which the linker would take for those here.
#define common_batch perplexity_batch
#define common_params perplexity_params
#define common_init perplexity_init
#define common_started perplexity_started

#define LOG(...) std::fprintf(stdout, __VA_ARGS__)
#define LOG_INF(...) std::fprintf(stdout, __VA_ARGS__)
#define LOG_WRN(...) std::fprintf(stderr, __VA_ARGS__)
#define LOG_ERR(...) std::fprintf(stderr, __VA_ARGS__)
#define LOG_DBG(...) ((void)0)
#define llama_perf_context_print(context) ((void)0)

enum { LLAMA_EXAMPLE_PERPLEXITY };

struct common_params {
  std::string model, prompt, logits_file, prompt_file;
  int32_t n_ctx = 512, n_batch = 2048, n_parallel = 1, n_chunks = -1, n_threads = 1, ppl_stride = 0,
          ppl_output_type = 0;
  bool escape = false, kv_unified = false, kl_divergence = false;
  bool hellaswag = false, winogrande = false, multiple_choice = false;
  size_t hellaswag_tasks = 0, winogrande_tasks = 0, multiple_choice_tasks = 0;
  ggml_numa_strategy numa = GGML_NUMA_STRATEGY_DISABLED;
};

inline void common_init() {}

inline bool common_params_parse(int argc, char** argv, common_params& params, int) {
  if (argc != 6) return false;
  params.model = argv[1];
  std::ifstream text(argv[2], std::ios::binary);
  params.prompt.assign(std::istreambuf_iterator<char>(text), {});
  params.n_ctx = std::atoi(argv[3]);
  params.n_threads = std::atoi(argv[4]);
  params.logits_file = argv[5];
  params.kl_divergence = params.logits_file.rfind("=", 0) == 0;
  if (params.kl_divergence) params.logits_file.erase(0, 1);
  params.n_batch = params.n_ctx;
  return text.good() || text.eof();
}

struct common_started {
  llama_model* model_ = nullptr;
  llama_context* context_ = nullptr;
  llama_model* model() { return model_; }
  llama_context* context() { return context_; }
};

inline common_started* common_init_from_params(const common_params& params) {
  static common_started started;
  llama_model_params of_model = llama_model_default_params();
  of_model.n_gpu_layers = 0;
  started.model_ = llama_model_load_from_file(params.model.c_str(), of_model);
  if (started.model_ == nullptr) return &started;
  llama_context_params of_context = llama_context_default_params();
  of_context.n_ctx = params.n_ctx;
  of_context.n_batch = params.n_batch;
  of_context.n_ubatch = params.n_batch;
  of_context.n_seq_max = params.n_parallel;
  of_context.n_threads = of_context.n_threads_batch = params.n_threads;
  started.context_ = llama_init_from_model(started.model_, of_context);
  return &started;
}

inline std::vector<llama_token> common_tokenize(const llama_context* context,
                                                const std::string& text, bool special) {
  std::vector<llama_token> tokens(text.size() + 2);
  const llama_vocab* vocab = llama_model_get_vocab(llama_get_model(context));
  const int count =
      llama_tokenize(vocab, text.data(), text.size(), tokens.data(), tokens.size(), special, false);
  tokens.resize(count < 0 ? 0 : count);
  return tokens;
}

struct common_batch {
  struct token {
    bool output;
  };
  std::vector<token> tokens;
  llama_batch_ext* batch;

  explicit common_batch(llama_context* context) : batch(llama_batch_ext_init(context)) {}
  ~common_batch() { llama_batch_ext_free(batch); }
  void clear() {
    tokens.clear();
    llama_batch_ext_clear(batch);
  }
  void add(llama_token id, llama_pos pos, llama_seq_id sequence, bool output) {
    const int32_t index = llama_batch_ext_add_token(batch, sequence, id);
    llama_batch_ext_set_pos(batch, index, &pos);
    llama_batch_ext_set_output_logits(batch, index, output);
    tokens.push_back({output});
  }
  // Of the tasks that are not asked for.
  void add(llama_token, llama_pos, const std::vector<llama_seq_id>&, bool) { std::abort(); }
  void set_output(int32_t, bool) { std::abort(); }
  llama_batch_ext* get_sub_batch(int32_t, int32_t) { std::abort(); }
  llama_batch_ext* get() { return batch; }
  int32_t size() const { return static_cast<int32_t>(tokens.size()); }
};

inline std::string common_params_get_system_info(const common_params&) { return {}; }
inline void common_memory_breakdown_print(llama_context*) {
  std::fflush(stdout);
  std::_Exit(0);  // the interpreter that holds the library is not taken down in order
}
