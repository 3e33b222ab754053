#include "engine/own_container.h"

#include "engine/engine_data.h"

namespace requant {

Result<std::string> own_container(const EngineId& id) {
  RQ_TRY(const Neighbours neighbours, neighbours_of(id));
  RQ_TRY(const auto engine, load_engine({.engine = id.engine, .version = neighbours.before}));
  const auto containers = engine->texts_at({"containers"});
  return containers.empty() ? std::string() : containers.front();
}

}  // namespace requant
