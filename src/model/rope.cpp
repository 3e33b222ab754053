#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <string_view>

#include "base/text.h"

namespace requant {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

double number_at(const Json* object, std::string_view key, double otherwise) {
  const Json* value = object == nullptr ? nullptr : object->find(key);
  return value == nullptr ? otherwise : value->as_double().value_or(otherwise);
}

struct Scaling {
  const Json& json;
  double theta;
  double dim;
  double context;  // positions of the model as it was trained first

  double number(std::string_view key, double otherwise) const {
    return number_at(&json, key, otherwise);
  }
};

using Frequencies = std::vector<double>;

Result<float> scale_none(const Scaling&, Frequencies&) { return 1.0F; }

Result<float> scale_linear(const Scaling& scaling, Frequencies& frequencies) {
  for (double& f : frequencies) f /= scaling.number("factor", 1);
  return 1.0F;
}

Result<float> scale_llama3(const Scaling& scaling, Frequencies& frequencies) {
  const double factor = scaling.number("factor", 1);
  const double low = scaling.number("low_freq_factor", 1);
  const double high = scaling.number("high_freq_factor", 4);
  if (high <= low) return corrupt("llama3's high_freq_factor is not above its low_freq_factor");
  for (double& f : frequencies) {
    const double turns = scaling.context * f / kTwoPi;  // over the context
    if (turns < low) {
      f /= factor;
    } else if (turns <= high) {
      const double smooth = (turns - low) / (high - low);
      f = (1 - smooth) * f / factor + smooth * f;
    }
  }
  return 1.0F;
}

double yarn_magnitude(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

Result<float> scale_yarn(const Scaling& scaling, Frequencies& frequencies) {
  const double factor = scaling.number("factor", 1);
  const auto dimension_of = [&](double turns) {
    return scaling.dim * std::log(scaling.context / (turns * kTwoPi)) /
           (2 * std::log(scaling.theta));
  };
  double low = dimension_of(scaling.number("beta_fast", 32));
  double high = dimension_of(scaling.number("beta_slow", 1));
  const Json* truncate = scaling.json.find("truncate");
  if (truncate == nullptr || truncate->as_bool().value_or(true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, scaling.dim - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double slow = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / factor * slow + frequencies[i] * (1 - slow);
  }
  const double mscale = scaling.number("mscale", 0);
  const double all_dim = scaling.number("mscale_all_dim", 0);
  const double usual = mscale != 0 && all_dim != 0
                           ? yarn_magnitude(factor, mscale) / yarn_magnitude(factor, all_dim)
                           : yarn_magnitude(factor, 1);
  return static_cast<float>(scaling.number("attention_factor", usual));
}

struct Type {
  std::string_view name;
  Result<float> (*scale)(const Scaling&, Frequencies&);  // gives Rope::scale
};
// "mrope" turns text as "default" does.
constexpr Type kTypes[] = {{"default", scale_none},
                           {"mrope", scale_none},
                           {"linear", scale_linear},
                           {"llama3", scale_llama3},
                           {"yarn", scale_yarn}};

}  // namespace

Result<Rope> Rope::parse(const Json& config, std::int64_t head_dim, std::int64_t context) {
  static const Json kEmpty = Json::object();
  const Json* parameters = config.find("rope_parameters");
  if (parameters == nullptr || !parameters->is_object()) parameters = config.find("rope_scaling");
  if (parameters == nullptr || !parameters->is_object()) parameters = &kEmpty;
  const Json* type = parameters->find("rope_type");
  if (type == nullptr) type = parameters->find("type");
  const std::string name(type == nullptr ? "default" : type->as_string().value_or(""));
  const double theta =
      number_at(parameters, "rope_theta", number_at(&config, "rope_theta", 10000.0));
  const double partial = number_at(parameters, "partial_rotary_factor",
                                   number_at(&config, "partial_rotary_factor", 1));
  if (partial != 1) return refused("heads that are turned in part are not supported");
  if (head_dim % 2 != 0 || theta <= 0) return corrupt("an odd head_dim, or no rope_theta");
  const double original =
      number_at(parameters, "original_max_position_embeddings", static_cast<double>(context));
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < head_dim / 2; ++i) {
    frequencies.push_back(
        1 / std::pow(theta, static_cast<double>(2 * i) / static_cast<double>(head_dim)));
  }
  for (const Type& known : kTypes) {
    if (known.name != name) continue;
    Rope rope;
    const Scaling scaling{*parameters, theta, static_cast<double>(head_dim), original};
    RQ_TRY(rope.scale, known.scale(scaling, frequencies));
    for (const double f : frequencies) rope.frequencies.push_back(static_cast<float>(f));
    return rope;
  }
  return refused("rope type " + in_quotes(name) + " is not supported");
}

void Rope::turn(std::span<float> head, std::int64_t position) const {
  const std::size_t half = frequencies.size();
  for (std::size_t i = 0; i < half; ++i) {
    const float angle = static_cast<float>(position) * frequencies[i];
    const float cosine = std::cos(angle) * scale;
    const float sine = std::sin(angle) * scale;
    const float a = head[i];
    const float b = head[i + half];
    head[i] = a * cosine - b * sine;
    head[i + half] = b * cosine + a * sine;
  }
}

}  // namespace requant
