#include <iostream>

#include "bench/engines/peer_server.h"
#include "tools/commands.h"

namespace sesame::tools {

void add_bench_peer_command(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand("bench-peer", "Serve `sesame bench --peer sesame` over standard input");
  command->group("");  // no group: not listed
  command->callback([&chosen] {
    chosen = [] {
      bench::serve_as_peer(std::cin, std::cout);
      return 0;
    };
  });
}

}  // namespace sesame::tools
