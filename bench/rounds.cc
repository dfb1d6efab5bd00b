#include "bench/rounds.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "bench/affinity.h"
#include "bench/arrivals.h"

namespace sesame::bench {
namespace {

constexpr std::size_t kRounds = 10;
constexpr double kRewarmSeconds = 0.003;  // at least one run: caches, predictors, clocks
constexpr int kSpinMs = 5;                // longer than ONNX Runtime's threads spin after a run

// fn(i) for each instance, all at the same time; the first exception is thrown when all have ended.
void for_each_instance(const Group& group, const std::function<void(std::size_t)>& fn) {
  if (group.instances.size() == 1 && group.cpus.empty()) return fn(0);
  std::vector<std::exception_ptr> errors(group.instances.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < group.instances.size(); ++i) {
      threads.emplace_back([&, i] {
        try {
          if (!group.cpus.empty()) pin_this_thread(group.cpus[i]);
          fn(i);
        } catch (...) {
          errors[i] = std::current_exception();
        }
      });
    }
  }
  for (const auto& each : errors) {
    if (each) std::rethrow_exception(each);
  }
}

// What a group did in a turn: the runs of all instances, and their rates added up.
struct TurnDone {
  Round round;
  double samples_per_s = 0;
};

TurnDone take_turn(const Group& group, const Turn& turn, const Schedule& schedule, std::size_t batch,
                   const std::function<double(std::size_t)>& work) {
  std::vector<std::vector<double>> times(group.instances.size());
  for_each_instance(group, [&](std::size_t i) {
    if (schedule.rewarm) group.instances[i]->time({.first = turn.first, .runs = 1, .seconds = kRewarmSeconds});
    times[i] = group.instances[i]->time(turn);
  });
  TurnDone done;
  for (const auto& each : times) {
    double spent = 0;
    for (std::size_t run = 0; run < each.size(); ++run) {
      spent += each[run];
      done.round.work += work(turn.first + run);
    }
    done.round.milliseconds.insert(done.round.milliseconds.end(), each.begin(), each.end());
    done.samples_per_s += static_cast<double>(each.size() * batch) / spent * 1000;
  }
  if (schedule.pause_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(schedule.pause_ms));
  return done;
}

void warm_up(std::span<const Group> groups, const Schedule& schedule) {
  if (schedule.warmup == 0) return;
  const Turn turn{.first = 0, .runs = static_cast<std::size_t>(schedule.warmup), .seconds = 0};
  for (const Group& group : groups) {
    for_each_instance(group, [&](std::size_t i) { group.instances[i]->time(turn); });
  }
}

Rounds no_rounds(std::size_t groups) {
  return {.of_group = std::vector<std::vector<Round>>(groups),
          .samples_per_s = std::vector<std::vector<double>>(groups),
          .probed = std::vector<std::vector<double>>(groups)};
}

}  // namespace

Schedule make_schedule(const Timing& timing, std::size_t engines, int threads) {
  Schedule schedule;
  schedule.runs = static_cast<std::size_t>(std::max(timing.runs, 1));
  schedule.rounds = timing.seconds > 0 ? kRounds : std::min(kRounds, schedule.runs);
  schedule.seconds = timing.seconds;
  schedule.warmup = timing.warmup;
  schedule.rewarm = engines > 1;
  schedule.pause_ms = engines > 1 && threads > 1 ? kSpinMs : 0;
  return schedule;
}

Rounds run_rounds(std::span<const Group> groups, const Schedule& schedule, std::size_t batch,
                  const std::function<double(std::size_t)>& work, const Watch& watch) {
  warm_up(groups, schedule);
  Rounds rounds = no_rounds(groups.size());
  std::vector<std::size_t> next(groups.size());  // run of each group
  for (std::size_t round = 0; round < schedule.rounds && (round == 0 || !watch.stopped()); ++round) {
    const std::size_t begin = schedule.runs * round / schedule.rounds;
    const std::size_t end = schedule.runs * (round + 1) / schedule.rounds;
    for (std::size_t turn = 0; turn < groups.size(); ++turn) {
      const std::size_t g = round % 2 == 0 ? turn : groups.size() - 1 - turn;
      const double seconds = schedule.seconds / static_cast<double>(schedule.rounds);
      if (watch.probe) rounds.probed[g].push_back(watch.probe(g));
      auto done =
          take_turn(groups[g], {next[g], std::max<std::size_t>(1, end - begin), seconds}, schedule, batch, work);
      next[g] += done.round.milliseconds.size() / groups[g].instances.size();
      rounds.of_group[g].push_back(std::move(done.round));
      rounds.samples_per_s[g].push_back(done.samples_per_s);
      const auto turns = static_cast<double>(schedule.rounds * groups.size());
      watch.tick(static_cast<double>(round * groups.size() + turn + 1) / turns);
    }
  }
  return rounds;
}

Rounds serve_rounds(std::span<const Group> groups, const Schedule& schedule, double per_second, std::size_t batch,
                    const Watch& watch) {
  warm_up(groups, schedule);
  Rounds rounds = no_rounds(groups.size());
  const auto all = schedule.seconds > 0 ? static_cast<std::size_t>(schedule.seconds * per_second) : schedule.runs;
  const std::size_t requests = std::max<std::size_t>(1, all / schedule.rounds);
  for (std::size_t round = 0; round < schedule.rounds && (round == 0 || !watch.stopped()); ++round) {
    const auto arrivals = poisson_arrivals(per_second, requests, round);
    for (std::size_t turn = 0; turn < groups.size(); ++turn) {
      const std::size_t g = round % 2 == 0 ? turn : groups.size() - 1 - turn;
      if (watch.probe) rounds.probed[g].push_back(watch.probe(g));
      auto times = groups[g].instances[0]->serve(arrivals);
      const double end = arrivals.back() + times.back();
      rounds.samples_per_s[g].push_back(static_cast<double>(requests * batch) / end * 1000);
      rounds.of_group[g].push_back({std::move(times), static_cast<double>(requests)});
      const auto turns = static_cast<double>(schedule.rounds * groups.size());
      watch.tick(static_cast<double>(round * groups.size() + turn + 1) / turns);
    }
  }
  return rounds;
}

}  // namespace sesame::bench
