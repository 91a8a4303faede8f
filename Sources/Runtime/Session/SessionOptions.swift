import SwageTensor

public struct SessionOptions: Hashable, Sendable {
  /// Threads that kernels and library calls may use; nil takes all cores this process may use. What generated kernels
  /// compute does not depend on it; oneDNN may sum in another order.
  public var threads: Int?
  /// Most bytes of working memory: buffers, scratch memory and repacked weights. nil allows the machine's memory.
  public var memoryLimit: Int?

  public init(threads: Int? = nil, memoryLimit: Int? = nil) {
    self.threads = threads
    self.memoryLimit = memoryLimit
  }
}

/// An input or output of a session.
public struct PortDescription: Hashable, Sendable {
  public var name: String
  /// Sizes are expressions over the entry point's symbols.
  public var type: TensorType

  public init(name: String, type: TensorType) {
    self.name = name
    self.type = type
  }
}
