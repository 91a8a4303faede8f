/// The version of the tool, written into plans.
public enum SwageVersion {
  public static let current = "0.1.0"
}
