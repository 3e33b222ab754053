#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/finding.h"
#include "base/json.h"
#include "base/result.h"
#include "dialect/dialect.h"

namespace requant {

struct OpenOptions {
  // What open() would fail for becomes an error finding where there is still something to show:
  // impossible config values, tensors that contradict each other, a dialect that cannot be read.
  bool lenient = false;
};

// A folder (or one weight file) as a list of weights with their schemes. Opening reads headers,
// config.json and small side files, no tensor data. Cheap to move, not copied.
class Checkpoint {
 public:
  struct State;  // checkpoint/state.h
  // A folder needs a config.json; a single weight file or an index does not have to have one beside
  // it (then config() is an empty object and findings() say so).
  //   kNotFound  nothing there, no weights;  kCorrupt  malformed files, config values that no model
  //   can have, tensors that contradict each other;  kRefused  a recognised dialect that cannot be
  //   read yet, named.
  static Result<Checkpoint> open(const std::filesystem::path& path,
                                 const OpenOptions& options = {});
  // The same of a folder that need not be on disk, or of a weight file or index in it, `name`.
  static Result<Checkpoint> open(std::shared_ptr<const Folder> folder, const std::string& name,
                                 const OpenOptions& options = {});

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();
  // From now on no checkpoint frees what it took: that of 100,000 tensors takes a tenth of the time
  // of a check. For programs that end after one command.
  static void keep_memory_until_exit();

  const std::filesystem::path& root() const;  // the folder; its address where it is not on disk
  const Folder& folder() const;
  const Json& config() const;
  bool config_is_ascii() const;  // to write it back as it was
  const std::map<std::string, Json>& side() const;
  const Source& source() const;
  const Architecture& architecture() const;

  // Never null: the "dense" dialect where nothing is quantised.
  const Dialect& dialect() const;
  const std::vector<std::string>& dialect_evidence() const;
  // False where the dialect's tensors could not be resolved (lenient only): weights() is empty
  // then.
  bool is_readable() const;
  WriterGuess writer() const;

  std::span<const Weight> weights() const;     // quantised, in natural order of names
  std::span<const DenseTensor> dense() const;  // everything else
  std::span<const Finding> findings() const;   // of config, files and tensors

  // What lies in the folder beside the weights, plain file names, sorted; a part of them where
  // folder().lists_all() is false.
  const std::vector<std::string>& files() const;

  // Reads and decodes one weight. Safe to call from several threads. Messages name file and tensor.
  Result<QuantizedWeight> read(const Weight& weight) const;
  // Its tensors as stored, by suffix.
  Result<WeightParts> read_parts(const Weight& weight) const;
  Result<Tensor> read(const DenseTensor& tensor) const;

 private:
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace requant
