package org.lakepredict;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.ExperimentalMethods;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.PythonUDF;
import org.apache.spark.sql.catalyst.plans.logical.ArrowEvalPython;
import org.apache.spark.sql.catalyst.plans.logical.Filter;
import org.apache.spark.sql.catalyst.plans.logical.LocalLimit;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.RebalancePartitions;
import org.apache.spark.sql.catalyst.plans.logical.Sort;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import scala.Option;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Lets a model score each row once where Spark's plan has it score twice:
 *
 * <ul>
 *   <li>for a filter, and again for what is selected above it: the second takes the first one's predictions along;
 *   <li>for a sort of all rows, which Spark samples before it sorts them: they are shuffled first, so that the
 *       sample is taken from what was computed.
 * </ul>
 *
 * Runs in the optimizer after Python functions got plan nodes of their own, in each session that calls PREDICT;
 * {@code run} adds it to the one that is active.
 */
public final class OncePerRow extends Rule implements Runnable {

  public void run() {
    ExperimentalMethods methods = ((SparkSession) SparkSession.active()).experimental();
    if (!methods.extraOptimizations().contains(this)) {
      methods.extraOptimizations_$eq((Seq) methods.extraOptimizations().appended(this));
    }
  }

  public boolean equals(Object other) {
    return other instanceof OncePerRow;
  }

  public int hashCode() {
    return OncePerRow.class.hashCode();
  }

  public TreeNode apply(TreeNode plan) {
    return rewrite((LogicalPlan) plan, false);
  }

  private static LogicalPlan rewrite(LogicalPlan plan, boolean limited) {
    List children = new ArrayList();
    boolean changed = false;
    for (Iterator each = items(plan.children()); each.hasNext(); ) {
      LogicalPlan child = (LogicalPlan) each.next();
      LogicalPlan found = rewrite(child, plan instanceof LocalLimit);
      changed |= found != child;
      children.add(found);
    }
    LogicalPlan result = changed ? (LogicalPlan) plan.withNewChildren(seq(children)) : plan;
    if (result instanceof ArrowEvalPython) {
      return scoredBelow((ArrowEvalPython) result);
    }
    return result instanceof Sort && !limited ? shuffledFirst((Sort) result) : result;
  }

  private static LogicalPlan shuffledFirst(Sort sort) {
    ArrowEvalPython scores = nextBelow(sort.child());
    if (!sort.global() || scores == null || !isOurs(scores)) {
      return sort;
    }
    Option none = Option.apply(null);
    LogicalPlan shuffled = new RebalancePartitions(seq(new ArrayList()), sort.child(), none, none);
    List one = new ArrayList();
    one.add(shuffled);
    return (LogicalPlan) sort.withNewChildren(seq(one));
  }

  private static LogicalPlan scoredBelow(ArrowEvalPython above) {
    ArrowEvalPython below = nextBelow(above.child());
    if (below == null || !isOurs(above)) {
      return above;
    }
    List carried = new ArrayList();
    List output = new ArrayList();
    for (Iterator each = items(above.child().output()); each.hasNext(); ) {
      output.add(each.next());
    }
    List functions = new ArrayList();
    List results = new ArrayList();
    for (int i = 0; i < above.udfs().size(); i++) {
      PythonUDF function = (PythonUDF) above.udfs().apply(i);
      Attribute result = (Attribute) above.resultAttrs().apply(i);
      Attribute known = resultOf(function, below);
      if (known == null) {
        functions.add(function);
        results.add(result);
      } else {
        if (!carried.contains(known)) {
          carried.add(known);
        }
        output.add(renamed(known, result));
      }
    }
    if (carried.isEmpty()) {
      return above;
    }
    LogicalPlan known = new Project(seq(output), carrying(above.child(), carried));
    if (functions.isEmpty()) {
      return known;
    }
    return new ArrowEvalPython(seq(functions), seq(results), known, above.evalType());
  }

  private static Alias renamed(Attribute known, Attribute wanted) {
    Option metadata = Option.apply(wanted.metadata());
    return new Alias(known, wanted.name(), wanted.exprId(), wanted.qualifier(), metadata, seq(new ArrayList()));
  }

  // The node that calls Python functions, with nothing but projections and filters above it; or null.
  private static ArrowEvalPython nextBelow(LogicalPlan plan) {
    while (plan instanceof Project || plan instanceof Filter) {
      plan = (LogicalPlan) plan.children().head();
    }
    return plan instanceof ArrowEvalPython ? (ArrowEvalPython) plan : null;
  }

  private static boolean isOurs(ArrowEvalPython node) {
    for (Iterator each = items(node.udfs()); each.hasNext(); ) {
      if (((PythonUDF) each.next()).name().matches("(arrow|pandas|trees)\\[.*")) {
        return true;
      }
    }
    return false;
  }

  private static Attribute resultOf(PythonUDF function, ArrowEvalPython node) {
    for (int i = 0; i < node.udfs().size(); i++) {
      if (((PythonUDF) node.udfs().apply(i)).semanticEquals(function)) {
        return (Attribute) node.resultAttrs().apply(i);
      }
    }
    return null;
  }

  // The plan with further columns of the node that calls Python functions in it.
  private static LogicalPlan carrying(LogicalPlan plan, List columns) {
    if (plan instanceof ArrowEvalPython) {
      return plan;
    }
    LogicalPlan child = carrying((LogicalPlan) plan.children().head(), columns);
    if (plan instanceof Project) {
      List list = new ArrayList();
      for (Iterator each = items(((Project) plan).projectList()); each.hasNext(); ) {
        list.add(each.next());
      }
      for (int i = 0; i < columns.size(); i++) {
        if (!list.contains(columns.get(i))) {
          list.add(columns.get(i));
        }
      }
      return new Project(seq(list), child);
    }
    List one = new ArrayList();
    one.add(child);
    return (LogicalPlan) plan.withNewChildren(seq(one));
  }

  private static Iterator items(Seq items) {
    return CollectionConverters.asJava(items).iterator();
  }

  private static Seq seq(List items) {
    return CollectionConverters.asScala(items).toSeq();
  }
}
