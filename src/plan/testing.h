#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plan/run_plan.h"
#include "plan/verify.h"

namespace requant::testing_support {

struct ConvertCall {
  std::string to = "compressed-tensors";
  std::vector<std::string> allow = {};
  std::uint64_t max_shard_bytes = 5'000'000'000;
  std::filesystem::path tokenizer_from = {};
  bool overwrite = false;
  std::vector<std::string> layout = {};
  std::int64_t pad_for_ranks = 0;
  bool harmonises_fused = false;
};

// What `requant convert` does.
Result<RunReport> convert_folder(const std::filesystem::path& from,
                                 const std::filesystem::path& out, const ConvertCall& call = {});

// The pairs of two folders that do not match, "NAME: STATUS FIRST" each; or the error.
std::vector<std::string> mismatches(const std::filesystem::path& a, const std::filesystem::path& b);

// How many pairs have that status.
int count_pairs(const std::filesystem::path& a, const std::filesystem::path& b, PairStatus status);

// Every file of a folder by its relative name.
std::map<std::string, std::string> contents(const std::filesystem::path& folder);

// The names of the tensors of two folders whose dtype, shape or bytes differ, or that one lacks.
std::vector<std::string> different_tensors(const std::filesystem::path& a,
                                           const std::filesystem::path& b);

// Writes a checkpoint of one file. `config` is the text of its config.json.
void write_checkpoint(const std::filesystem::path& folder, std::string_view config,
                      const std::map<std::string, Tensor>& tensors);

// Corpus folders whose name begins so, and that are at hand.
std::vector<std::filesystem::path> corpus_named(const std::string& prefix);

}  // namespace requant::testing_support
