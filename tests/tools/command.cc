#include "tests/tools/command.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace sesame::tools {
namespace {

void redirect(const std::filesystem::path& file, int flags, int to) {
  const int fd = open(file.c_str(), flags, 0600);
  if (fd < 0 || dup2(fd, to) < 0) _exit(126);
}

[[noreturn]] void become(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                         const TemporaryFolder& folder) {
  redirect(folder / "in", O_RDONLY, STDIN_FILENO);
  redirect(folder / "out", O_WRONLY | O_CREAT, STDOUT_FILENO);
  redirect(folder / "err", O_WRONLY | O_CREAT, STDERR_FILENO);
  for (const std::string& each : environment) putenv(const_cast<char*>(each.c_str()));
  std::vector<char*> argv;
  for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

// arguments[0] is the program.
Ran run_program(const std::vector<std::string>& arguments, const std::string& input,
                const std::vector<std::string>& environment) {
  const TemporaryFolder folder;
  folder.write("in", input);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) become(arguments, environment, folder);
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  Ran ran;
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ran.out = content_of(folder / "out");
  ran.err = content_of(folder / "err");
  return ran;
}

std::vector<std::string> followed_by(std::vector<std::string> program, const std::vector<std::string>& arguments) {
  program.insert(program.end(), arguments.begin(), arguments.end());
  return program;
}

}  // namespace

Ran run_command(const std::vector<std::string>& arguments, const std::string& input,
                const std::vector<std::string>& environment) {
  return run_program(followed_by({SESAME_COMMAND}, arguments), input, environment);
}

std::optional<Ran> run_command_on(const std::string& cpu, const std::vector<std::string>& arguments,
                                  const std::vector<std::string>& environment) {
  if (run_program({"qemu-x86_64", "--version"}, {}, {}).code != 0) return std::nullopt;
  return run_program(followed_by({"qemu-x86_64", "-cpu", cpu, SESAME_COMMAND}, arguments), {}, environment);
}

std::vector<std::string> Ran::lines() const {
  std::istringstream stream(out);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<nlohmann::json> Ran::objects() const {
  std::vector<nlohmann::json> objects;
  for (const std::string& line : lines()) objects.push_back(nlohmann::json::parse(line));
  return objects;
}

bool Ran::has_one_error_line() const { return err.starts_with("sesame: ") && err.find('\n') == err.size() - 1; }

void write_below(const TemporaryFolder& folder, const std::string& name, const std::string& bytes) {
  std::filesystem::create_directories((folder / name).parent_path());
  folder.write(name, bytes);
}

}  // namespace sesame::tools
