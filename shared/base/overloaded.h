#pragma once

namespace berth {

// One callable of several lambdas, for std::visit: an alternative that none of them takes does not
// compile.
template <class... Callables>
struct Overloaded : Callables... {
    using Callables::operator()...;
};

template <class... Callables>
Overloaded(Callables...) -> Overloaded<Callables...>;

}  // namespace berth
